"""Programs that nobody here wrote, driven against our networks, and ours against theirs."""
