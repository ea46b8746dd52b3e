module github.com/stiggate/gate/examples/tenants

go 1.25.0

require (
	github.com/go-chi/chi/v5 v5.3.0
	github.com/prometheus/client_golang v1.23.2
	github.com/stiggate/gate v0.0.0
	github.com/stiggate/gate/contrib/prometheus v0.0.0
)

require (
	github.com/99designs/gqlgen v0.17.73 // indirect
	github.com/Yamashou/gqlgenc v0.33.0 // indirect
	github.com/agnivade/levenshtein v1.2.1 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/coder/websocket v1.8.13 // indirect
	github.com/golang-jwt/jwt/v5 v5.2.2 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.2 // indirect
	github.com/prometheus/common v0.66.1 // indirect
	github.com/prometheus/procfs v0.16.1 // indirect
	github.com/sosodev/duration v1.3.1 // indirect
	github.com/vektah/gqlparser/v2 v2.5.26 // indirect
	go.yaml.in/yaml/v2 v2.4.2 // indirect
	golang.org/x/sys v0.46.0 // indirect
	google.golang.org/protobuf v1.36.8 // indirect
)

replace (
	github.com/stiggate/gate => ../..
	github.com/stiggate/gate/contrib/prometheus => ../../contrib/prometheus
)
