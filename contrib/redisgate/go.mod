module github.com/stiggate/gate/contrib/redisgate

go 1.25.0

require (
	github.com/redis/rueidis v1.0.79
	github.com/stiggate/gate v0.0.0
)

require (
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
	go.etcd.io/bbolt v1.4.3 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace github.com/stiggate/gate => ../..
