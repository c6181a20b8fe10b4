"""What somebody must look at: found by the service, or asked for by a customer."""
