"""What the JSON API takes and answers; the OpenAPI document is made from these."""
