package client_test

import (
	"errors"
	"testing"

	"github.com/stiggate/gate/client"
)

func TestIntrospectionGoesThroughDo(t *testing.T) {
	c, _ := emulated(t)
	var out struct {
		Schema struct {
			Types []struct{ Name string }
		} `json:"__schema"`
	}
	if err := c.Do(t.Context(), "query { __schema { types { name } } }", nil, &out); err != nil { // the guide's
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, one := range out.Schema.Types {
		names[one.Name] = true
	}
	for _, want := range []string{"Query", "Mutation", "Subscription", "Customer"} {
		if !names[want] {
			t.Errorf("the schema has no %s", want)
		}
	}
}

func TestTheSamplesOfTheOverviewGoThroughDo(t *testing.T) {
	c, _ := emulated(t)
	for name, test := range map[string]struct {
		document  string
		variables map[string]any
		root      string
		code      client.Code
	}{
		"GetCustomer": {`query GetCustomer($input: GetCustomerByRefIdInput!) { getCustomerByRefId(input: $input) { customerId name email subscriptions { subscriptionId status } } }`,
			map[string]any{"input": map[string]any{"customerId": demo.ID}}, "getCustomerByRefId", ""},
		"ProvisionCustomer": {`mutation ProvisionCustomer($input: ProvisionCustomerInput!) { provisionCustomer(input: $input) { customer { customerId } subscription { subscriptionId } } }`,
			map[string]any{"input": map[string]any{"customerId": "customer-123"}}, "provisionCustomer", ""},
		"Pagination": {`query ListCustomers { customers(paging: {first: 2}) { edges { node { customerId name } cursor } pageInfo { hasNextPage endCursor } totalCount } }`, nil, "customers", ""},
		"Sorting":    {`query ListCustomersByDate { customers(sorting: [{field: createdAt, direction: DESC}]) { edges { node { customerId createdAt } } } }`, nil, "customers", ""},
		"Filtering": {`query ListActiveCustomers { customers(filter: {hasActiveSubscription: {eq: true}, createdAt: {gte: "2024-01-01T00:00:00Z"}}) { edges { node { customerId } } } }`,
			nil, "customers", ""}, // the emulator has the field, the schema that Stigg's clients were made of has not
		"checkEntitlement of the OpenAPI page": {`query GetCustomerEntitlement($customerId: String!, $featureId: String!) { customerEntitlement(customerId: $customerId, featureId: $featureId) { isGranted } }`,
			map[string]any{"customerId": "customer-123", "featureId": "feature-api-calls"}, "", client.ErrInvalidInput}, // nor is there such a root field
	} {
		t.Run(name, func(t *testing.T) {
			var out map[string]any
			err := c.Do(t.Context(), test.document, test.variables, &out)
			if test.code == "" && (err != nil || out[test.root] == nil) || test.code != "" && !errors.Is(err, test.code) {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
}
