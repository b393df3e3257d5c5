"""Pictures and sentences to vectors: fitted, shipped and pretrained encoders."""
