-- A merged file is made once. These come when everything is in it.
CREATE TRIGGER record_is_merged BEFORE INSERT ON record
BEGIN SELECT RAISE(ABORT, 'a merged file is for reports: nothing is added to it'); END;

CREATE TRIGGER log_is_merged BEFORE INSERT ON log
BEGIN SELECT RAISE(ABORT, 'a merged file is for reports: nothing is added to it'); END;

CREATE TRIGGER log_is_never_updated BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'a merged file is for reports: nothing in it is changed'); END;

CREATE TRIGGER log_is_never_deleted BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'a merged file is for reports: nothing in it is deleted'); END;
