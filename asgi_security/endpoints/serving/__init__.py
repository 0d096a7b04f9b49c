"""What every endpoint does around its flow: reads the request, answers, signs in."""
