module github.com/stiggate/gate/contrib/echov5

go 1.25.0

require (
	github.com/labstack/echo/v5 v5.4.4
	github.com/stiggate/gate v0.0.0
)

require (
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
	golang.org/x/time v0.15.0 // indirect
)

replace github.com/stiggate/gate => ../..
