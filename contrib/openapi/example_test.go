package openapi_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/openapi"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/policyfile"
)

// documented is a router whose document says what its operations ask of a plan.
func documented(ctx context.Context, g *gate.Gate, put, get gin.HandlerFunc) (http.Handler, error) {
	policies, err := policyfile.Open("openapi.yaml", openapi.Document(openapi.WithPaths(openapi.Colons)))
	if err != nil {
		return nil, err // each operation that is wrong, with its line
	}
	e := gin.New()
	e.Use(ginstigg.Routes(g, policies, gate.DenyRest))
	e.PUT("/v1/campaigns/:id", put)
	e.GET("/v1/campaigns/:id", get)
	go policies.Watch(ctx, 10*time.Second)
	return e, policies.Check(func(t gate.Table) error { return ginstigg.Verify(e, t) })
}

func Example() {
	_, err := documented(context.Background(), nil, nil, nil)
	fmt.Println(err)
	// Output: policyfile: open openapi.yaml: no such file or directory
}

func ExampleDocument() {
	text := `
openapi: 3.1.0
info: {title: Campaigns, version: "1"}
servers: [{url: https://api.example.com/v1}]
paths:
  /campaigns/{id}:
    put:
      operationId: putCampaign
      x-gate: {feature: feature-02-campaigns, uses: 1}
    get:
      operationId: getCampaign
`
	_, err := policyfile.Parse([]byte(text), openapi.Document())
	fmt.Println(err)
	table, err := policyfile.Parse([]byte(text+"x-gate: public\n"), openapi.Document())
	fmt.Println(slices.Sorted(maps.Keys(table)), err)
	// Output:
	// line 10:5: operation "GET /campaigns/{id}" (getCampaign): it has no x-gate, and neither its path nor the document has one: what is open says x-gate: public
	// [GET /v1/campaigns/{id} PUT /v1/campaigns/{id}] <nil>
}
