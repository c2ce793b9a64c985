"""What a space index costs, and its answers beside another library's."""
