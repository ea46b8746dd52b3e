module github.com/stiggate/gate/contrib/openfeature

go 1.26.0

require (
	github.com/open-feature/go-sdk v1.20.0
	github.com/stiggate/gate v0.0.0
)

require (
	github.com/99designs/gqlgen v0.17.73 // indirect
	github.com/Yamashou/gqlgenc v0.33.0 // indirect
	github.com/agnivade/levenshtein v1.2.1 // indirect
	github.com/coder/websocket v1.8.13 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
	github.com/sosodev/duration v1.3.1 // indirect
	github.com/vektah/gqlparser/v2 v2.5.26 // indirect
	go.uber.org/mock v0.6.0 // indirect
)

replace github.com/stiggate/gate => ../..
