-- No index on anything that changes while a task waits.

ALTER TABLE task ADD PRIMARY KEY (task_id);
CREATE INDEX task_ready ON task (lane, priority, run_at, task_id) WHERE state = 'r';
CREATE INDEX task_due ON task (run_at) WHERE state = 's';
CREATE INDEX task_running ON task (lease_until) WHERE state = 'x';
CREATE INDEX task_dag ON task (dag_key, step_no) WHERE dag_key IS NOT NULL;

-- Each partition has its own, like those of the default one. Indexes of the partitioned table would make others of the same names when a
-- dump is restored, which attaches a partition before it makes its indexes.
CREATE INDEX history_task_id ON history_default (task_id);
CREATE INDEX history_failed ON history_default (finished_at) WHERE state = 'f';
CREATE INDEX history_dag ON history_default (dag_key) WHERE dag_key IS NOT NULL;
CREATE INDEX attempt_task_id ON attempt_default (task_id);

CREATE INDEX handler_name_handler_id ON handler_name (handler_id);
CREATE INDEX lane_id ON lane (id);
CREATE INDEX cancel_request_task_id ON cancel_request (task_id);
CREATE UNIQUE INDEX privilege_key ON privilege (role, kind, COALESCE(queue, ''));
