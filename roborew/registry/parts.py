"""The parts that roborew brings: one entry each, imported when it is used."""

from __future__ import annotations

from roborew.registry.lookup import Entry, Registry

# One wording of each need, whatever part has it.
_DEMONSTRATIONS = "demonstrations"
_RELEASED = "its weights"
_JUDGE = "a vision-language model"
_JUDGE_EXAMPLE = "--judge.model Qwen/Qwen3-VL-4B-Instruct"


def _sb3(class_name: str, paper: str, *, contrib: bool = False) -> Entry:
    """An algorithm of Stable-Baselines3."""
    package = "sb3-contrib" if contrib else "Stable-Baselines3"
    return Entry(
        f"roborew.agents.sb3:SB3{class_name}",
        f"{class_name} of {package}; resumes exactly",
        paper=paper,
        needs="pip install 'roborew[contrib]'" if contrib else "",
    )


rewards = Registry(
    "reward",
    {
        "mini": Entry(
            "roborew.rewards.mini:Mini",
            "text and image progress model for roborew's own tasks, shipped in the wheel",
            example="--reward mini",
        ),
        "clip": Entry(
            "roborew.rewards.clip:ClipReward",
            "similarity of picture and sentence: CLIP, SigLIP, VLM-RM",
            paper="VLM-RM, arXiv:2310.12921",
            needs="weights of an image-text model",
            example="--reward clip --reward.model ViT-B-32 --reward.pretrained openai",
        ),
        "goal_image": Entry(
            "roborew.rewards.goal_image:GoalImage",
            "distance to a goal picture in a pretrained embedding: VIP, R3M, LIV, DINOv2",
            paper="VIP, arXiv:2210.00030",
            needs="weights of an image model",
            example="--reward goal_image --goal-image goal.png",
        ),
        "roboreward": Entry(
            "roborew.rewards.vlm.roboreward:RoboReward",
            "grades the last frame from 1 to 5",
            paper="RoboReward, arXiv:2601.00675",
            needs=_JUDGE,
            example=f"--reward roboreward {_JUDGE_EXAMPLE}",
        ),
        "verifier": Entry(
            "roborew.rewards.vlm.verifier:Verifier",
            "expected grade over twenty letters",
            paper="arXiv:2607.05391",
            needs=_JUDGE,
            example=f"--reward verifier {_JUDGE_EXAMPLE}",
        ),
        "topreward": Entry(
            "roborew.rewards.vlm.topreward:TopReward",
            "log-odds that the task is done",
            paper="TOPReward, arXiv:2602.19313",
            needs=_JUDGE,
            example=f"--reward topreward {_JUDGE_EXAMPLE}",
        ),
        "gvl": Entry(
            "roborew.rewards.vlm.gvl:GVL",
            "progress of shuffled frames; whole episodes only",
            paper="GVL, arXiv:2411.04549",
            needs=_JUDGE,
            example=f"--reward gvl {_JUDGE_EXAMPLE}",
        ),
        "vlac": Entry(
            "roborew.rewards.vlm.vlac:Vlac",
            "compares successive frames, and says when the task is done",
            paper="VLAC, arXiv:2509.15937",
            needs=_JUDGE,
            example=f"--reward vlac {_JUDGE_EXAMPLE}",
        ),
        "robo_dopamine": Entry(
            "roborew.rewards.vlm.robo_dopamine:RoboDopamine",
            "relative progress from frame, start and goal picture",
            paper="Robo-Dopamine, arXiv:2512.23703",
            needs=_JUDGE + ", a goal picture",
            example=f"--reward robo_dopamine {_JUDGE_EXAMPLE} --goal-image goal.png",
        ),
        "robofume": Entry(
            "roborew.rewards.vlm.robofume:RoboFuME",
            "says of each frame whether the task is done",
            paper="RoboFuME, arXiv:2310.15145",
            needs=_JUDGE,
            example=f"--reward robofume {_JUDGE_EXAMPLE}",
        ),
        "robometer": Entry(
            "roborew.rewards.checkpoints.robometer:Robometer",
            "progress and success by heads on a Qwen3-VL, and which of two episodes got further",
            paper="Robometer, arXiv:2603.02115",
            needs=_RELEASED,
            example="--reward robometer --reward.weights robometer/Robometer-4B",
        ),
        "rewind": Entry(
            "roborew.rewards.checkpoints.rewind:Rewind",
            "progress by a causal transformer on DINOv2 and MiniLM",
            paper="ReWiND, arXiv:2505.10911",
            needs=_RELEASED + ", converted; DINOv2's and MiniLM's",
            example="--reward rewind --reward.weights FOLDER, or --reward FOLDER",
        ),
        "sarm": Entry(
            "roborew.rewards.checkpoints.sarm:Sarm",
            "LeRobot's SARM: subtasks and progress within each, from whole episodes",
            paper="SARM, arXiv:2509.25358",
            needs=_RELEASED + ", CLIP's",
            example="--reward sarm --reward.weights FOLDER, or --reward FOLDER",
        ),
        "reward_classifier": Entry(
            "roborew.rewards.checkpoints.classifier:RewardClassifier",
            "LeRobot's classifier of success; reads no sentence",
            paper="HIL-SERL, arXiv:2410.21845",
            needs=_RELEASED,
            example="--reward reward_classifier --reward.weights FOLDER, or --reward FOLDER",
        ),
    },
    group="roborew.rewards",
)
agents = Registry(
    "agent",
    {
        "ppo": Entry(
            "roborew.agents.ppo:PPO",
            "our own PPO over many simulations; resumes exactly",
            paper="PPO, arXiv:1707.06347",
        ),
        "sac": Entry(
            "roborew.agents.sac.agent:SAC",
            "our own SAC, with demonstrations in its replay where --demos names them; resumes exactly",
            paper="SAC, arXiv:1801.01290; RLPD, arXiv:2302.02948",
        ),
        "bc": Entry(
            "roborew.agents.bc:BC",
            "behavior cloning with action chunks, by a reward's progress if asked; no simulator to "
            "train",
            paper="ACT, arXiv:2304.13705; RA-BC, arXiv:2509.25358",
            needs=_DEMONSTRATIONS,
        ),
        "iql": Entry(
            "roborew.agents.offline.iql:IQL",
            "the better moves of demonstrations, good and bad ones, told apart by a reward; no "
            "simulator to train; resumes exactly",
            paper="IQL, arXiv:2110.06169",
            needs=_DEMONSTRATIONS,
        ),
        "residual": Entry(
            "roborew.agents.residual:Residual",
            "PPO that corrects a clone of demonstrations; resumes exactly",
            paper="ResiP, arXiv:2407.16677",
            needs=_DEMONSTRATIONS,
        ),
        "self-imitation": Entry(
            "roborew.agents.self_imitation.agent:SelfImitation",
            "a clone that learns on from its own best episodes; resumes exactly",
            paper="SIL, arXiv:1806.05635",
            needs=_DEMONSTRATIONS,
        ),
        "sb3-ppo": _sb3("PPO", "PPO, arXiv:1707.06347"),
        "sb3-a2c": _sb3("A2C", "A3C, arXiv:1602.01783"),
        "sb3-sac": _sb3("SAC", "SAC, arXiv:1801.01290"),
        "sb3-td3": _sb3("TD3", "TD3, arXiv:1802.09477"),
        "sb3-ddpg": _sb3("DDPG", "DDPG, arXiv:1509.02971"),
        "sb3-dqn": _sb3("DQN", "DQN, arXiv:1312.5602"),
        "sb3-tqc": _sb3("TQC", "TQC, arXiv:2005.04269", contrib=True),
        "sb3-crossq": _sb3("CrossQ", "CrossQ, arXiv:1902.05605", contrib=True),
        "sb3-trpo": _sb3("TRPO", "TRPO, arXiv:1502.05477", contrib=True),
        "sb3-recurrentppo": _sb3("RecurrentPPO", "PPO, arXiv:1707.06347", contrib=True),
        "sb3-qrdqn": _sb3("QRDQN", "QR-DQN, arXiv:1710.10044", contrib=True),
        "sb3-ars": _sb3("ARS", "ARS, arXiv:1803.07055", contrib=True),
    },
    group="roborew.agents",
)
critics = Registry(
    "critic",
    {
        "vice": Entry(
            "roborew.critics.objectives.vice:Vice",
            "ensemble that tells frames of the goal from all others",
            paper="VICE, arXiv:1805.11686; RoboFuME, arXiv:2310.15145; LfVoid, arXiv:2307.07837",
            needs=_DEMONSTRATIONS,
            aliases=("goal_classifier",),
        ),
        "robometer": Entry(
            "roborew.critics.objectives.robometer:Robometer",
            "causal transformer: progress, success, and which of two videos got further",
            paper="Robometer, arXiv:2603.02115; ReWiND, arXiv:2505.10911",
            needs=_DEMONSTRATIONS,
            aliases=("progress",),
        ),
        "grm": Entry(
            "roborew.critics.objectives.grm:Grm",
            "relative progress from frame, start and goal picture, fused; one demonstration is enough",
            paper="General Reward Model of Robo-Dopamine, arXiv:2512.23703",
            needs=_DEMONSTRATIONS,
            aliases=("hop",),
        ),
        "vlac_pairs": Entry(
            "roborew.critics.objectives.vlac_pairs:VlacPairs",
            "signed progress between two frames, summed up",
            paper="VLAC, arXiv:2509.15937",
            needs=_DEMONSTRATIONS,
            aliases=("pair",),
        ),
        "liv": Entry(
            "roborew.critics.objectives.liv:Liv",
            "frames and sentences in one space, by time contrast",
            paper="LIV, arXiv:2306.00958",
            needs=_DEMONSTRATIONS,
        ),
        "tcc": Entry(
            "roborew.critics.objectives.tcc:Tcc",
            "distance to the goal in a space where demonstrations align in time",
            paper="TCC, arXiv:1904.07846; XIRL, arXiv:2106.03911",
            needs=_DEMONSTRATIONS,
            aliases=("xirl",),
        ),
        "vip": Entry(
            "roborew.critics.objectives.vip:Vip",
            "distance to the goal in an embedding learned from time alone",
            paper="VIP, arXiv:2210.00030",
            needs=_DEMONSTRATIONS,
        ),
        "time_rewarder": Entry(
            "roborew.critics.objectives.time_rewarder:TimeRewarder",
            "how much later one frame is than another, summed up; learned from time alone",
            paper="TimeRewarder, arXiv:2509.26627",
            needs=_DEMONSTRATIONS,
        ),
        "perceptual": Entry(
            "roborew.critics.objectives.perceptual:Perceptual",
            "a Gaussian for each discovered step; nothing is trained",
            paper="Perceptual rewards, arXiv:1612.06699",
            needs=_DEMONSTRATIONS,
        ),
        "bradley_terry": Entry(
            "roborew.critics.objectives.bradley_terry:BradleyTerry",
            "the reward that explains which of two segments is better",
            paper="RL-VLM-F, arXiv:2402.03681; OPRM, arXiv:2602.12660",
            needs=_DEMONSTRATIONS,
            aliases=("preference",),
        ),
        "goal_ladder": Entry(
            "roborew.critics.goal_ladder:GoalLadder",
            "the distance to the picture that stands highest after all comparisons",
            paper="GoalLadder, arXiv:2506.16396",
            needs=_DEMONSTRATIONS,
        ),
        "temporal_ot": Entry(
            "roborew.critics.objectives.temporal_ot:TemporalOT",
            "cost of transporting an episode onto a demonstration; whole episodes only",
            paper="TemporalOT, arXiv:2410.21795; RAPL, arXiv:2310.07932",
            needs=_DEMONSTRATIONS,
            aliases=("transport",),
        ),
        "clip_adapter": Entry(
            "roborew.critics.objectives.clip_adapter:ClipAdapter",
            "adapters on frames and sentences, learned by ranking",
            paper="CLIP-Adapter, arXiv:2110.04544; RankNet, Burges et al. 2005",
            needs=_DEMONSTRATIONS,
            aliases=("ranking_clip",),
        ),
        "gail": Entry(
            "roborew.critics.objectives.gail:Gail",
            "discriminator of experts' transitions, from observations; AIRL's form of it as an option",
            paper="GAIL, arXiv:1606.03476; GAIfO, arXiv:1807.06158",
            needs=_DEMONSTRATIONS,
            aliases=("adversarial",),
        ),
        "ridge": Entry(
            "roborew.critics.objectives.ridge:Ridge",
            "closed-form probe on embedded frames: the baseline",
            paper="Hoerl and Kennard 1970",
            needs=_DEMONSTRATIONS,
        ),
        "sarm": Entry(
            "roborew.critics.objectives.sarm:Sarm",
            "subtasks, found where nobody marked them, and progress within each",
            paper="SARM, arXiv:2509.25358; VLA-RL, arXiv:2505.18719",
            needs=_DEMONSTRATIONS,
            aliases=("stages",),
        ),
    },
    group="roborew.critics",
)
encoders = Registry(
    "encoder",
    {
        "conv": Entry(
            "roborew.encoders.conv:ConvEncoder",
            "small convolutions, fitted to the demonstrations themselves",
            needs=_DEMONSTRATIONS,
        ),
        "mini": Entry(
            "roborew.encoders.mini:MiniEncoder", "the picture layers of mini, frozen and shipped"
        ),
        "pretrained": Entry(
            "roborew.encoders.pretrained:PretrainedEncoder",
            "a frozen image tower of open_clip, timm or transformers: CLIP, DINOv2, VIP, R3M, LIV",
            needs="weights of an image model",
            aliases=("tower",),
        ),
    },
    group="roborew.encoders",
)
judges = Registry(
    "judge",
    {
        "transformers": Entry(
            "roborew.judges.local:LocalJudge",
            "a vision-language model in this process",
            needs="its weights",
        ),
        "openai": Entry(
            "roborew.judges.server:ServerJudge",
            "any OpenAI-compatible server, such as vLLM or SGLang",
            needs="its address",
        ),
        "robometer": Entry(
            "roborew.rewards.checkpoints.robometer_judge:RobometerJudge",
            "a Robometer's preference head, which compares two pictures: labels for --reward preference",
            paper="Robometer, arXiv:2603.02115",
            needs="its weights",
        ),
        "recorded": Entry(
            "roborew.judges.recorded:RecordedJudge",
            "stored answers, replayed by exact question",
            needs="a file of answers",
        ),
    },
    group="roborew.judges",
)
