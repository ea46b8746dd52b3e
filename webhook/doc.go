// Package webhook takes Stigg's webhooks into a gate, so that a change is felt without
// waiting for what is cached to expire, and hands them to your own code.
//
//	hooks, err := webhook.New(g.Sink(), []string{os.Getenv("STIGG_WEBHOOK_SECRET")})
//	mux.Handle("POST /webhooks/stigg", hooks)
//
// It is for deployments whose processes can't keep a connection to Stigg, or besides one;
// a gate whose source is package client hears of changes by itself. A webhook reaches one
// process: with several, only that one feels it.
//
// What Stigg documents and this package relies on: the secret is a header in plain text;
// deliveries come in any order, and again, up to six times, until they are answered with
// a 2xx within 30 s; messageId tells them apart; types unknown here are to be accepted.
package webhook
