"""What people judge results by: labelled sheets of pictures, tables, charts, and pages of any size to zoom into."""
