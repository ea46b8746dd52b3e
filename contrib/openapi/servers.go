package openapi

import (
	"fmt"
	"net/url"
	"strings"

	v3 "github.com/pb33f/libopenapi/datamodel/low/v3"
)

// base is the path that servers have in front of the document's paths.
func (doc *document) base(near servers) (string, error) {
	if doc.basePath != nil {
		return *doc.basePath, nil
	}
	base, first := "", true
	for _, server := range near.Value {
		path, err := serverPath(server.Value)
		switch {
		case err != nil:
			return "", fmt.Errorf("the server of line %d: %w; WithBasePath says what the router has", server.Value.URL.ValueNode.Line, err)
		case !first && path != base:
			return "", fmt.Errorf("its servers have the base paths %q and %q; WithBasePath says what the router has", base, path)
		}
		base, first = path, false
	}
	return base, nil
}

// serverPath is the path of a server's URL, its variables being what they are by default.
func serverPath(s *v3.Server) (string, error) {
	address := s.URL.Value
	for name, variable := range s.Variables.Value.FromOldest() {
		address = strings.ReplaceAll(address, "{"+name.Value+"}", variable.Value.Default.Value)
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || strings.ContainsAny(address, "{}"):
		return "", fmt.Errorf("%q is no URL", address)
	case u.Host == "" && !strings.HasPrefix(u.Path, "/"):
		return "", fmt.Errorf("what %q is relative to is not known", address)
	}
	return strings.TrimRight(u.Path, "/"), nil
}
