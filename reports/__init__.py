"""What people look at: the PDF report, its figures and maps."""
