"""Features of pretrained image networks, and distances between them: used in training, inversion and evaluation.

pictures --FeatureNetwork--> Features --distances--> one value per picture
"""
