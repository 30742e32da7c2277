"""``catenula project``: Rust projects of applications; the only part that needs cargo."""
