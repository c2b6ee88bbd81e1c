// A registry in memory with the referrers API of distribution-spec 1.1, for the end-to-end tests: go-containerregistry's
// own, whose command (crane registry serve) leaves that API out.
//
// Usage: referrers-registry HOST:PORT
package main

import (
	"io"
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: referrers-registry HOST:PORT")
	}
	quiet := log.New(io.Discard, "", 0)
	handler := registry.New(registry.Logger(quiet), registry.WithReferrersSupport(true))
	log.Fatal(http.ListenAndServe(os.Args[1], handler))
}
