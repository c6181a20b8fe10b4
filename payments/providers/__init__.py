"""The providers of mobile money, one file each."""
