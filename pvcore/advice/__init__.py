"""When to fine-tune, how much data is enough, what to annotate next: answers from the user's own data."""
