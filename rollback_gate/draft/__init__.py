"""A profile proposed from what runs. Pure: workflow/profile_new.py looks, and asks."""
