module salus.dev/shop

go 1.22
