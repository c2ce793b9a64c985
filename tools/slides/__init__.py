"""Slides for whoever presents a chapter, cut from the chapter's own source and its executed notebook."""
