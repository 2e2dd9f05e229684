"""The report of a benchmark run: tables, figures and a page, from what lies in the run's folder."""
