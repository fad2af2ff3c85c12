"""Air passengers of the last year, forecast from the eleven before. Run it with `lepton run examples/04_forecast.py`."""

from pathlib import Path

import polars
from lepton_ai import Forecaster

data = Path(__file__).parent / "data" / "airline_passengers" / "airline-passengers.csv"
passengers = polars.read_csv(data)

# Naive forecasts, smoothing, ridge regressions and trees race on the later years; what is best there, or a blend, is kept.
forecaster = Forecaster(12, time="Month", target="Passengers").fit(passengers[:-12])
print(forecaster.log)

# The year that came: how far off the forecast is, beside the best naive one, and whether its band held.
print(forecaster.backtest(passengers))
print(forecaster.predict().to_frame())
