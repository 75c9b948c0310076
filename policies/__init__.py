"""Guard rails that hold for any stack, whoever wrote its program."""
