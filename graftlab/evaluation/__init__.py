"""What a model is worth, in figures: hybrids against the truth, hybrids of photos, samples, two results side by side.

pictures --features--> Features --metrics--> distances --truth, folder, samples--> results --report--> page and JSON
"""
