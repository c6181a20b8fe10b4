"""The networks around us, simulated: four providers of mobile money, Africa's Talking, and the phones on them.

A process and a database of its own, speaking the providers' documented contracts over real HTTP. It shares
no table with the product and outlives the death of web and worker (design/payments.md, "The simulator").
"""
