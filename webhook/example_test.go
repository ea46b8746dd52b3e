package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/webhook"
)

// Stigg posts to the path that the app's mux has the handler at, with the secret of the webhook's settings;
// here a request of our own does.
func ExampleNew() {
	g, err := gate.New(&stigg{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = g.Close(context.Background()) }()
	hooks, err := webhook.New(g.Sink(), []string{"whsec-new", "whsec-old"}, webhook.OnEvent(func(_ context.Context, e webhook.Event) error {
		fmt.Println("heard of", e.Type, "of", e.Customer.ID)
		return nil
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /stigg", hooks) // by nobody's gate: the secret is what lets in

	deliver := func(secret string) {
		r := httptest.NewRequest(http.MethodPost, "/stigg", strings.NewReader(`{"type": "subscription.updated", "messageId": "m-1", "customer": {"id": "acme"}}`))
		r.Header.Set(webhook.SecretHeader, secret)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	deliver("whsec-new")
	deliver("somebody's")
	// Output:
	// heard of subscription.updated of acme
	// 204
	// 401
}
