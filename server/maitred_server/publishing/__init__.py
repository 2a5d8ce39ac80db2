"""Publishing playbooks, and trying them, in processes of their own: neither takes anything from decisions."""
