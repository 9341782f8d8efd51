-- The trace of a case is evidence: it is added to, never changed.
CREATE FUNCTION trace_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the trace is append-only';
END
$$;
CREATE TRIGGER trace_no_change BEFORE UPDATE OR DELETE ON trace FOR EACH ROW EXECUTE FUNCTION trace_append_only();
