"""What a model is worth, in figures: hybrids against the truth, hybrids of photos, two results side by side.

pictures --features--> Features --metrics--> distances --truth, folder--> results --report--> results.json, report.html
"""
