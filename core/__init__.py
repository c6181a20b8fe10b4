"""What every room needs: settings, database, jobs, clock, ids, money, phones, crypto, errors, logs."""
