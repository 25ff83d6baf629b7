"""What is on record of a study: the journal, tickets, several studies as one."""
