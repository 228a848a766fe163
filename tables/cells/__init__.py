"""What a table holds for each key: sums, extremes and histograms by pane, distinct values, first sightings."""
