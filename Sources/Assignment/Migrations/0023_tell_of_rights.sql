-- Whoever watches a service's tickets is asked again for the right to when rights have changed. A trigger tells it, so
-- that no way of changing them can forget to.
CREATE FUNCTION tell_of_rights() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('handoff_rights', '');
  RETURN NULL;
END
$$;

CREATE TRIGGER agent_rights AFTER UPDATE OF is_active OR DELETE ON agent
  FOR EACH STATEMENT EXECUTE FUNCTION tell_of_rights();
CREATE TRIGGER service_member_rights AFTER INSERT OR UPDATE OR DELETE ON service_member
  FOR EACH STATEMENT EXECUTE FUNCTION tell_of_rights();
