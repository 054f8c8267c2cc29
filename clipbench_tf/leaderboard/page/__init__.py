"""One static page of suites: tables that sort, with the details of each row."""
