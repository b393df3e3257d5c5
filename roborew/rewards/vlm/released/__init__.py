"""Released judges in their own words: prompts as their authors trained them on (see NOTICE), pictures
as they took them, and replies in the one form that they give."""
