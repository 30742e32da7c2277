"""Reading recorded data and comparing it with what we compute."""
