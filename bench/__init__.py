"""What mtlsd costs: ``scripts/bench`` runs this package; docs/benchmark.md says what the numbers mean.

==================  =====================================================================================
``certificates``    a CA, a server's and a client's certificate, and a key that signs tokens
``place``           a directory with a configuration in it that mtlsd can run from
``process``         one running server: its CPU time, its memory, how it is started and stopped
``load``            the load generator, a process of its own
``scenarios``       what is measured
``asking``           requests of codes, refresh tokens and introspection, prepared before they are measured
``proxying``         requests as a proxy sends them for its clients
``plain``            a connection without TLS
``codes``            authorization codes without users, a program of its own
``versions``        the working tree and other commits, each in its own directory
``report``          the table, and the ratios of two versions
``waiting``         what others notice of 500 clients who wait for responders that hang
``million``         what a revocation list of a million entries costs, in mtlsd and in nginx
``steady``          a client that asks at a steady rate, a process of its own
``crowd``           many clients of whom nothing is known yet, a process of its own
``responder``       OCSP responders, of which some hang
``revoked``         revocation lists of any length
``peers``           an entry for mtlsd in a benchmark that runs several servers side by side
==================  =====================================================================================

Nothing here is installed with mtlsd.
"""
