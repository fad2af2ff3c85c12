"""Items for users who share a taste, with the reason for each. Run it with `lepton run examples/05_recommend.py`."""

import numpy
from lepton_ai import Recommender

# No set of ratings may be passed on with this project, so these are made up: people who watch films in the order of their
# numbers, either the even or the odd ones, and like one in five of the others less.
random = numpy.random.default_rng(0)
rows = []
for person in range(200):
    taste, first = person % 2, random.integers(0, 20)
    for step, film in enumerate(range(first, first + 12)):
        film = 2 * int(film) + (taste if random.random() < 0.8 else 1 - taste)
        liked = 4.2 if film % 2 == taste else 2.0
        rows.append({"user": f"person {person}", "item": film, "rating": liked + random.normal() * 0.3, "time": step})

recommender = Recommender().fit(rows)
for offered in recommender.recommend("person 7", 3):
    print(offered)
print("somebody new, who has seen 10, 12 and 14:", *recommender.recommend_for_history([10, 12, 14], 3), sep="\n  ")
print(recommender.predict_rating("person 7", [21, 22]).round(1))
print(recommender.evaluate())
