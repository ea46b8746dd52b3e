package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

// A compose file starts the app and an emulator; STIGG_URL is http://emulator:4100 there, and empty in
// production, where the option changes nothing.
func ExampleWithPlaintextTo() {
	_, err := client.New("server-api-key", client.WithEndpoint("http://emulator:4100"), client.WithPlaintextTo("emulator"))
	fmt.Println(err)
	_, err = client.New("server-api-key", client.WithEndpoint("http://api.example.com"), client.WithPlaintextTo("emulator"))
	fmt.Println(err != nil)
	// Output:
	// <nil>
	// true
}

func ExampleClient_Entitlements() {
	// In production: client.New(os.Getenv("STIGG_API_KEY")), and no server.
	stigg := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data": {"entitlementsState": {"entitlementsV2": [{
			"__typename": "FeatureEntitlement", "isGranted": true, "usageLimit": 10, "hasUnlimitedUsage": false, "currentUsage": 3,
			"feature": {"refId": "feature-02-campaigns", "displayName": "Campaigns", "featureType": "NUMBER", "meterType": "Incremental"}
		}]}}}`)
	}))
	defer stigg.Close()

	c, err := client.New("server-api-key", client.WithEndpoint(stigg.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := c.Entitlements(context.Background(), gate.Customer{ID: "customer-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range set.Features {
		fmt.Printf("%s: %g of %g used\n", e.DisplayName, e.Usage, e.Limit)
	}
	// Output: Campaigns: 3 of 10 used
}
