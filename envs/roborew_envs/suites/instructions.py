"""What Meta-World's tasks ask for, as sentences; the other suites' ids say too little to tell."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_META_WORLD = {
    "assembly": "pick up the wrench and put its ring over the peg",
    "basketball": "put the basketball into the hoop",
    "bin-picking": "move the object from one bin to the other",
    "box-close": "put the lid on the box",
    "button-press": "push the button in",
    "button-press-topdown": "push the button down from above",
    "button-press-topdown-wall": "reach over the wall and push the button down from above",
    "button-press-wall": "reach around the wall and push the button in",
    "coffee-button": "press the button of the coffee machine",
    "coffee-pull": "pull the mug away from the coffee machine",
    "coffee-push": "push the mug under the coffee machine",
    "dial-turn": "turn the dial",
    "disassemble": "lift the wrench off the peg",
    "door-close": "close the door",
    "door-lock": "lock the door by turning its lock",
    "door-open": "open the door",
    "door-unlock": "unlock the door by turning its lock",
    "drawer-close": "close the drawer",
    "drawer-open": "open the drawer",
    "faucet-close": "turn the faucet off",
    "faucet-open": "turn the faucet on",
    "hammer": "drive the nail in with the hammer",
    "hand-insert": "put the gripper into the hole",
    "handle-press": "press the handle down",
    "handle-press-side": "press the handle down from the side",
    "handle-pull": "pull the handle up",
    "handle-pull-side": "pull the handle up from the side",
    "lever-pull": "pull the lever up",
    "peg-insert-side": "put the peg into the hole in the side of the box",
    "peg-unplug-side": "pull the peg out of the hole",
    "pick-out-of-hole": "lift the object out of the hole",
    "pick-place": "pick up the object and bring it to the goal",
    "pick-place-wall": "pick up the object and bring it over the wall to the goal",
    "plate-slide": "slide the plate into the cabinet",
    "plate-slide-back": "slide the plate back out of the cabinet",
    "plate-slide-back-side": "slide the plate sideways out of the cabinet",
    "plate-slide-side": "slide the plate sideways into the cabinet",
    "push": "push the object to the goal",
    "push-back": "push the object back to the goal",
    "push-wall": "push the object around the wall to the goal",
    "reach": "move the gripper to the goal",
    "reach-wall": "move the gripper over the wall to the goal",
    "shelf-place": "put the object on the shelf",
    "soccer": "push the ball into the goal",
    "stick-pull": "pull the container to the goal with the stick",
    "stick-push": "push the container to the goal with the stick",
    "sweep": "sweep the object off the table",
    "sweep-into": "sweep the object into the hole",
    "window-close": "close the window",
    "window-open": "open the window",
}

INSTRUCTIONS: Mapping[str, str] = MappingProxyType(
    {f"Meta-World/{name}-v3": text for name, text in _META_WORLD.items()}
)
"""Id -> what it asks for."""
