package demo

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/stiggate/gate/emulator"
)

// Stigg is the one that an example runs in front of.
type Stigg struct {
	APIKey, URL string // $STIGG_API_KEY, $STIGG_URL

	server *emulator.Server // nil if it is another's
}

// OpenStigg finds the Stigg that the environment names. If it names none, an emulated one is
// started, with this catalog (emulator.WithCatalog), or Revvenu's if it is empty.
func OpenStigg(catalog string) (*Stigg, error) {
	if key, url := os.Getenv("STIGG_API_KEY"), os.Getenv("STIGG_URL"); key != "" || url != "" {
		return &Stigg{APIKey: key, URL: url}, nil
	}
	var options []emulator.Option
	if catalog != "" {
		options = append(options, emulator.WithCatalog(strings.NewReader(catalog)))
	}
	server, err := emulator.Start("127.0.0.1:0", options...)
	if err != nil {
		return nil, err
	}
	return &Stigg{APIKey: emulator.DefaultKey, URL: server.URL(), server: server}, nil
}

// Close ends the emulated Stigg, if there is one.
func (s *Stigg) Close() {
	if s.server != nil {
		_ = s.server.Close()
	}
}

// Try is a command that an example prints.
type Try struct{ What, Command string }

// Invite prints where the API is and, in front of an emulated Stigg, what to try; {api} stands
// for the API's URL.
func (s *Stigg) Invite(out io.Writer, l net.Listener, tries ...Try) {
	api := "http://" + l.Addr().String()
	fmt.Fprintf(out, "The API is at %s\n", api)
	if s.server != nil {
		fmt.Fprintln(out, "Try:")
		for _, try := range append(tries, Try{"what Stigg has recorded", "curl " + s.URL + "/_emulator/usage"}) {
			if try.What != "" {
				fmt.Fprintf(out, "  # %s\n", try.What)
			}
			fmt.Fprintf(out, "  %s\n", strings.ReplaceAll(try.Command, "{api}", api))
		}
	}
	fmt.Fprintln(out, "Ctrl-C stops.")
}
