// Command llmproxy sells the tokens of a language model: it stands in front of one and streams its
// answers, to each customer as many tokens as the plan has. How many an answer takes is known when
// it is over, so they are held as it goes on. Usage is kept on disk until Stigg has it, from the end
// of its answer on: a process that is killed loses the tokens of the answers that it was streaming, and
// so does a machine that loses power. Where that is too much, each portion is a ticket of its own
// (Gate.Admit before it, Ticket.Settle after it), which reports a usage for each.
//
//	go run ./examples/llmproxy
//
// The model and, unless the environment names one, Stigg are made up.
package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/examples/internal/demo"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
	"github.com/stiggate/gate/outbox"
)

//go:embed catalog.json
var catalog string

// portion is how many tokens are held at a time for an answer whose length nobody has asked for.
const portion = 32

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where the API listens")
	dir := flag.String("outbox", "", "`directory` that keeps usage until Stigg has it; by default a new one")
	flag.Parse()
	if err := run(context.Background(), *addr, *dir, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr, dir string, out io.Writer) (err error) {
	env, err := demo.OpenStigg(catalog)
	if err != nil {
		return err
	}
	defer env.Close()
	upstream, url, err := model{pace: 5 * time.Millisecond}.start()
	if err != nil {
		return err
	}
	defer func() { _ = upstream.Close() }()
	if dir == "" {
		if dir, err = os.MkdirTemp("", "llmproxy-outbox-"); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}

	stigg, err := client.New(env.APIKey, client.WithEndpoint(env.URL))
	if err != nil {
		return err
	}
	box, err := outbox.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = box.Close() }() // the gate closes it, if there is one
	g, err := gate.New(stigg, identity.FromContext(gate.CustomerFromContext), gate.WithOutbox(box))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Usage is kept in %s until Stigg has it\n", dir)
	env.Invite(out, listener, tries...)
	server := &http.Server{Handler: routes(g, url), ReadHeaderTimeout: 10 * time.Second}
	return gate.Serve(ctx, server, g, gate.ServeOn(listener)) // until SIGTERM
}

var tries = []demo.Try{
	{What: "20 tokens of the 100 that are in ada's plan each month, one event each", Command: `curl -iN -H 'Authorization: Bearer key-of-ada' -d '{"model":"small","prompt":"Why plans?","max_tokens":20}' {api}/v1/chat`},
	{What: "an answer of any length; it ends when ada's plan does", Command: `curl -iN -H 'Authorization: Bearer key-of-ada' -d '{"model":"small","prompt":"Why plans?"}' {api}/v1/chat`},
	{What: "the large model is in bell's plan, not in ada's", Command: `curl -i -H 'Authorization: Bearer key-of-ada' -d '{"model":"large","prompt":"Why plans?"}' {api}/v1/chat`},
	{What: "what is to be embedded is counted before: 4 tokens", Command: `curl -i -H 'Authorization: Bearer key-of-bell' -d '{"input":["two words","and two"]}' {api}/v1/embeddings`},
}

// proxy is the API in front of the model at url.
type proxy struct {
	gate *gate.Gate
	url  string
}

// routes has authentication in front, then what reads the prompt, then the gate: it can ask for the
// model and the tokens that the prompt names.
func routes(g *gate.Gate, url string) http.Handler {
	p := proxy{g, url}
	chat := gate.All(gate.Feature("feature-models").ValuesFunc(modelOf),
		gate.Feature("feature-tokens").UsesUpToFunc(tokensOf)) // as many, or what is left of the plan
	mux := http.NewServeMux()
	mux.Handle("POST /v1/chat", readPrompt(nethttp.Require(g, chat)(http.HandlerFunc(p.chat))))
	mux.HandleFunc("POST /v1/embeddings", p.embed)
	return authenticate(mux)
}

// customers are the accounts by their API keys. An app has a database, and hashes in it.
var customers = map[string]string{"key-of-ada": "ada", "key-of-bell": "bell"}

func authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		customer, found := customers[key]
		if !found {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "no valid API key", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(gate.ContextWithCustomer(r.Context(), gate.Customer{ID: customer})))
	})
}

// prompt is the body of a request for a chat.
type prompt struct {
	Model     string `json:"model"`
	Prompt    string `json:"prompt"`
	MaxTokens int    `json:"max_tokens,omitempty"`
}

type promptKey struct{}

// readPrompt reads the body before the gate asks for what is in it.
func readPrompt(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p prompt
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&p); err != nil || p.Model == "" || p.MaxTokens < 0 {
			http.Error(w, `want {"model": ..., "prompt": ..., "max_tokens": ...}`, http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), promptKey{}, p)))
	})
}

func promptOf(r *http.Request) prompt {
	p, _ := r.Context().Value(promptKey{}).(prompt)
	return p
}

func modelOf(r *http.Request) ([]string, error) { return []string{promptOf(r).Model}, nil }

func tokensOf(r *http.Request) (float64, error) {
	if n := promptOf(r).MaxTokens; n > 0 {
		return float64(n), nil
	}
	return portion, nil
}

// chat streams the model's answer. What was streamed is billed, also if the client leaves.
func (p proxy) chat(w http.ResponseWriter, r *http.Request) {
	answer, err := p.ask(r.Context(), "/chat", promptOf(r))
	if err != nil {
		http.Error(w, "the model does not answer", http.StatusBadGateway) // which bills nothing
		return
	}
	defer func() { _ = answer.Close() }()
	w.Header().Set("Content-Type", "text/event-stream")
	ticket, used := gate.TicketFrom(r.Context()), 0.0
	_ = ticket.Use(used) // should the client leave before the first token
	for events := bufio.NewScanner(answer); events.Scan(); {
		if !strings.HasPrefix(events.Text(), "data: ") {
			continue
		}
		if used >= ticket.Held() && hold(r.Context(), ticket) != nil {
			fmt.Fprint(w, "event: stop\ndata: {\"reason\":\"plan_limit\"}\n\n")
			return
		}
		fmt.Fprintf(w, "%s\n\n", events.Text())
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		used++
		_ = ticket.Use(used)
	}
}

// hold holds more for an answer that goes on. What an earlier answer used may count twice for the
// moment in which Stigg is told of it: then whether there is more is known a little later.
func hold(ctx context.Context, ticket *gate.Ticket) error {
	for {
		err := ticket.Extend(portion)
		denied := (*gate.DeniedError)(nil)
		if !errors.As(err, &denied) || denied.Decision.Reason != gate.ReasonPending {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(denied.Decision.RetryAfter):
		}
	}
}

// embed counts the tokens of a body that only it reads, and asks the gate itself.
func (p proxy) embed(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Input []string `json:"input"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil || len(in.Input) == 0 {
		http.Error(w, `want {"input": [...]}`, http.StatusBadRequest)
		return
	}
	tokens := len(strings.Fields(strings.Join(in.Input, " ")))
	ticket, ok := p.gate.Enter(w, r, gate.Feature("feature-tokens").Uses(float64(tokens)))
	if !ok {
		return // it has answered
	}
	defer ticket.Release() // unless it is settled
	answer, err := p.ask(r.Context(), "/embeddings", in)
	if err != nil {
		http.Error(w, "the model does not answer", http.StatusBadGateway)
		return
	}
	defer func() { _ = answer.Close() }()
	if err := ticket.Settle(); err != nil {
		http.Error(w, "the usage can't be recorded", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.Copy(w, answer)
}

// ask posts to the model, and returns its answer to be read and closed.
func (p proxy) ask(ctx context.Context, path string, what any) (io.ReadCloser, error) {
	body, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r) //nolint:gosec // the model is the proxy's own, and its URL no client's
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		_ = answer.Body.Close()
		return nil, fmt.Errorf("the model answers %s", answer.Status)
	}
	return answer.Body, nil
}
