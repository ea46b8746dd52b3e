package client

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate/client/gql"
)

// fifty is an answer with 50 entitlements, all fields filled.
func fifty() string {
	var b strings.Builder
	b.WriteString(`{"data":{"entitlementsState":{"accessDeniedReason":null,"entitlementsV2":[`)
	for i := range 50 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"__typename":"FeatureEntitlement","isGranted":true,"accessDeniedReason":null,"feature":{"refId":"feature-%d",
"displayName":"Feature %d","featureType":"NUMBER","meterType":"Incremental"},"usageLimit":%d,"hasUnlimitedUsage":false,"hasSoftLimit":false,
"currentUsage":12.5,"enumValues":null,"resetPeriod":"MONTH","usagePeriodAnchor":"2026-05-01T12:30:00.000Z",
"usagePeriodStart":"2026-05-01T12:30:00.000Z","usagePeriodEnd":"2026-06-01T12:30:00.000Z","validUntil":"2026-06-01T12:30:00.000Z","creditRate":null}`, i, i, 100*i)
	}
	b.WriteString(`]}}}`)
	return b.String()
}

func BenchmarkDecode50(b *testing.B) {
	a := answer{op: "Op", status: 200, header: http.Header{}, body: []byte(fifty())}
	no := func(string) bool { return false }
	b.ReportAllocs()
	b.SetBytes(int64(len(a.body)))
	for b.Loop() {
		var res gql.GetEntitlementsStateResponse
		if e := a.decode(&res, no, time.Time{}); e != nil {
			b.Fatal(e)
		}
		if set := setOf(&res.EntitlementsState); len(set.Features) != 50 {
			b.Fatal("not 50")
		}
	}
}

func BenchmarkEntitlements50(b *testing.B) {
	body := fifty()
	c, err := New(testKey, WithHTTPClient(&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return replies(200, body)()
	})}))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Entitlements(context.Background(), acme); err != nil {
			b.Fatal(err)
		}
	}
}
