"""Vision-language back ends that answer questions about pictures, and the strict reading of what
they say."""
