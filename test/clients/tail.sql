-- Follow a part of a PState by COPY, until Ctrl-C.
CALL rama.tail(:'pstate', :'path');
