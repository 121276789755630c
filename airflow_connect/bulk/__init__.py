"""Many rows become contacts: read, checked, sent at the pace of the quota, recorded."""
