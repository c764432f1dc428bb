"""What is made from the chart and from other files in it, behind `make manifests`."""
